// What holds of what a card tells its host: records and events. Their queues, and the way from them to the
// ports, are as they are, but for what lies in the queues' memory; all else says anything. Each output is a
// property that fails.
module claims (
    input wire clock,
    input wire reset_drawn,
    input wire host_tready,
    input wire event_tready,
    output wire record_waits,
    output wire first_quarter_waits,
    output wire second_quarter_waits,
    output wire third_quarter_waits,
    output wire last_quarter_waits,
    output wire event_waits
);
    reg started = 0;
    always @(posedge clock) started <= 1;
    wire reset = reset_drawn | !started;

    wire host_tvalid, event_tvalid;
    wire [1614:0] host_tdata;
    wire [441:0] event_tdata;
    card_512 block (
        .clock(clock), .reset(reset),
        .host_tdata(host_tdata), .host_tvalid(host_tvalid), .host_tready(host_tready),
        .event_tdata(event_tdata), .event_tvalid(event_tvalid), .event_tready(event_tready)
    );

    // The clock before.
    reg last_waits = 0, last_event_waits = 0;
    reg [1614:0] last_tdata = 0;
    reg [441:0] last_event = 0;
    always @(posedge clock) begin
        last_waits <= host_tvalid & !host_tready & !reset;
        last_tdata <= host_tdata;
        last_event_waits <= event_tvalid & !event_tready & !reset;
        last_event <= event_tdata;
    end

    assign record_waits = last_waits & !host_tvalid;
    // One after the other, because the time of a proof grows with the square of the bits.
    assign first_quarter_waits = last_waits & host_tdata[403:0] != last_tdata[403:0];
    assign second_quarter_waits = last_waits & host_tdata[807:404] != last_tdata[807:404];
    assign third_quarter_waits = last_waits & host_tdata[1211:808] != last_tdata[1211:808];
    assign last_quarter_waits = last_waits & host_tdata[1614:1212] != last_tdata[1614:1212];
    assign event_waits = last_event_waits & (!event_tvalid | event_tdata != last_event);
endmodule
